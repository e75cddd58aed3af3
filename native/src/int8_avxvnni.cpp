#define PRUNUS_ISA int8_avxvnni
#define PRUNUS_WIDTH 8
#define PRUNUS_AMX 0
namespace prunus::PRUNUS_ISA { constexpr int registers = 16; }
#include "int8_unit.h"

namespace prunus { extern const Int8 table_int8_avxvnni; const Int8 table_int8_avxvnni = int8_avxvnni::make_int8(); }
