"""What the cells of each memory technology do: equations, one module a technology.

Numbers in, probabilities out. Functions work on numbers and on numpy arrays that broadcast (those typed `float` are
integrals over one block or cell, and take numbers); they hold no state, draw nothing, and have no physical constant of
their own: constants come from `hwsim.memory.technology.constants`, by argument. Times are in seconds, temperatures in
degrees Celsius, voltages in volts and energies of activation in electronvolts. A probability keeps its relative
precision however small it is.

| module | what |
| --- | --- |
| `common` | Arrhenius, two-state hazards, how probabilities combine, the normal distribution, words under ECC |
| `levels` | reading a cell with two or more levels: thresholds, read errors, errors of bits |
| `sram` | low voltage, bias temperature instability, soft errors |
| `dram` | retention, refresh, true and anti cells, failures in the field |
| `stt_mram` | retention, write errors, read disturb |
| `nand` | wear, retention and read disturb of flash |
| `pcm` | programming noise, drift, crystallisation |
| `reram` | relaxation, stuck cells |
"""
