"""Instruction data in the formats of trainers, benchmarks and older tools."""
