from typing import Any

class KernelType(type):
    kernel_name: str

def __getattr__(name: str) -> Any: ...
