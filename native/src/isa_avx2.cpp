#define PRUNUS_ISA avx2
#define PRUNUS_WIDTH 8
namespace prunus::PRUNUS_ISA { constexpr int registers = 16; }
#include "isa_unit.h"

namespace prunus { extern const Isa isa_avx2; const Isa isa_avx2 = avx2::make_isa("avx2"); }
