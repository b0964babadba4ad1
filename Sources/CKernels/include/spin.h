// A hint to the processor that a loop waits for another thread.
#ifndef RETORT_SPIN_H
#define RETORT_SPIN_H

static inline void retort_spin(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
