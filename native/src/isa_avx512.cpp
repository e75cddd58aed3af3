#define PRUNUS_ISA avx512
#define PRUNUS_WIDTH 16
namespace prunus::PRUNUS_ISA { constexpr int registers = 32; }
#include "isa_unit.h"

namespace prunus { extern const Isa isa_avx512; const Isa isa_avx512 = avx512::make_isa("avx512"); }
