"""rANS as docs/formats/lossless.md describes it: tables of frequencies, and streams of symbols."""

import struct

BITS = 12  # of the frequencies of a table
TOTAL = 1 << BITS


def parse_table(data):
    """Frequencies of the 256 bytes; the escape symbol; slots_of them; bytes used."""
    escape, at, frequencies = data[0], 1, []
    while len(frequencies) < 256:
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        frequencies.append(value)
        if value == 0:
            frequencies += [0] * data[at]
            at += 1
    if sum(frequencies) != TOTAL:
        raise ValueError(f"frequencies that sum to {sum(frequencies)}")
    return frequencies, escape, slots_of(frequencies), at


def slots_of(frequencies):
    """(symbol, start) of each of the 4096 slots."""
    slots, start = [], 0
    for symbol, frequency in enumerate(frequencies):
        slots += [(symbol, start)] * frequency
        start += frequency
    return slots


def lanes_of(symbols):
    return 8 if symbols >= 2048 else 4 if symbols >= 256 else 1


def decode_stream(data, runs, carried=0):
    """rANS: `runs` are (table, symbols). Returns the symbols of each run and the numbers carried."""
    lanes = lanes_of(sum(count for _, count in runs))
    states = list(struct.unpack_from(f"<{lanes}I", data))
    at, end, decoded = 4 * lanes, len(data), []
    for (frequencies, _, slots), count in runs:
        symbols = []
        for k in range(count):
            state = states[k % lanes]
            symbol, start = slots[state % TOTAL]
            state = frequencies[symbol] * (state >> BITS) + state % TOTAL - start
            if state < 1 << 16:
                state = state << 16 | struct.unpack_from("<H", data, at)[0]
                at += 2
            states[k % lanes] = state
            symbols.append(symbol)
        decoded.append(symbols)
    for ((_, escape, _), _), symbols in zip(runs, decoded):
        for k, symbol in enumerate(symbols):
            if symbol == escape:
                end -= 1
                symbols[k] = data[end]
    numbers = [state - (1 << 16) for state in states]
    if at != end or any(numbers[carried:]):
        raise ValueError("a stream does not end where it should")
    return decoded, numbers[:carried]
