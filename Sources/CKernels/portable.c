/// The kernels for any processor: what the compiler makes of vectors without a target.
#include "classes.h"

#define CLASS retort_portable
#define NAME "portable"
#define NATIVE 4
#define HEIGHT 6
#include "body.h"
