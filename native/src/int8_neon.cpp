#define PRUNUS_ISA int8_neon
#define PRUNUS_WIDTH 4
#define PRUNUS_AMX 0
namespace prunus::PRUNUS_ISA { constexpr int registers = 32; }
#include "int8_unit.h"

namespace prunus { extern const Int8 table_int8_neon; const Int8 table_int8_neon = int8_neon::make_int8(); }
