/// The kernels of AMX without its instructions.
#include "emulation.h"
#undef QUAD
#define CLASS retort_emulated_amx
#define NAME "amx, emulated"
#define NATIVE 16
#define HEIGHT 12
#define BRAIN_TILES
#define BYTE_TILES
#include "body.h"
