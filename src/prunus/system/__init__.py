"""What speaks with the operating system, with Python and with other libraries: processes, memory, files, user code.

What stays out: networks and studies. Nothing here imports torch when it is imported.
"""
