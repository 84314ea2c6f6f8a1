"""From IR to an ELF object through LLVM. Nothing else imports llvmlite."""
