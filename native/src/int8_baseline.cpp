#define PRUNUS_ISA int8_baseline
#define PRUNUS_WIDTH 4
#define PRUNUS_AMX 0
namespace prunus::PRUNUS_ISA { constexpr int registers = 16; }
#include "int8_unit.h"

namespace prunus { extern const Int8 table_int8_baseline; const Int8 table_int8_baseline = int8_baseline::make_int8(); }
