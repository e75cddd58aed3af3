#define PRUNUS_ISA baseline
#define PRUNUS_WIDTH 4
namespace prunus::PRUNUS_ISA { constexpr int registers = 16; }
#include "isa_unit.h"

namespace prunus { extern const Isa isa_baseline; const Isa isa_baseline = baseline::make_isa("baseline"); }
