"""What is fuzzed, a module each: `fuzz(data)` raises for a fault, `WORDS` are for the fuzzer's dictionary."""
