#define PRUNUS_ISA int8_amx
#define PRUNUS_WIDTH 16
#define PRUNUS_AMX 1
namespace prunus::PRUNUS_ISA { constexpr int registers = 32; }
#include "int8_unit.h"

namespace prunus { extern const Int8 table_int8_amx; const Int8 table_int8_amx = int8_amx::make_int8(); }
