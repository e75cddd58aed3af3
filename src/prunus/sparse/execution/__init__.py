"""How a program runs on the native engine: layouts, memory, steps, and the choice of kernels."""
