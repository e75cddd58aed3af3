#define PRUNUS_ISA neon
#define PRUNUS_WIDTH 4
namespace prunus::PRUNUS_ISA { constexpr int registers = 32; }
#include "isa_unit.h"

namespace prunus { extern const Isa isa_neon; const Isa isa_neon = neon::make_isa("neon"); }
