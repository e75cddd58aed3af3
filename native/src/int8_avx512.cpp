#define PRUNUS_ISA int8_avx512
#define PRUNUS_WIDTH 16
#define PRUNUS_AMX 0
namespace prunus::PRUNUS_ISA { constexpr int registers = 32; }
#include "int8_unit.h"

namespace prunus { extern const Int8 table_int8_avx512; const Int8 table_int8_avx512 = int8_avx512::make_int8(); }
