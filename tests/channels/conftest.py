import logging

logging.getLogger("torch.__trace").disabled = True  # pytest would collect megabytes of it and slow every trace down
