"""How a program runs on the native engine: layouts, memory, steps, and the choice of kernels.

What stays out: ONNX. A program is given, and the arithmetic is that of `native/`.
"""
