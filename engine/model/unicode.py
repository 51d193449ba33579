"""unicode.py - writes unicode_tables.h: what er_char_class_of and er_nfc look up.

    python3 engine/model/unicode.py > engine/model/unicode_tables.h
"""
import sys
import unicodedata as u

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(values):
    """(first, last, value) of equal neighbours; value 0 is left out."""
    out = []
    for c, v in values:
        if out and v and out[-1][1] == c - 1 and out[-1][2] == v:
            out[-1] = (out[-1][0], c, v)
        elif v:
            out.append((c, c, v))
    return out


def table(kind, name, rows, what):
    print(f"\n/* {what} */\nstatic const {kind} {name}[] = {{")
    line = " "
    for row in rows:
        text = " {" + ",".join(f"0x{x:X}" if x > 9 else str(x) for x in row) + "},"
        if len(line) + len(text) > 116:
            print(line)
            line = " "
        line += text
    print(line + "\n};")


def decomposition(c):
    text = u.decomposition(chr(c))
    return None if not text or text[0] == "<" else [int(x, 16) for x in text.split()]


def main():
    letters = ranges((c, int(u.category(chr(c))[0] == "L")) for c in ALL)
    numbers = ranges((c, int(u.category(chr(c))[0] == "N")) for c in ALL)
    classes = ranges((c, u.combining(chr(c))) for c in ALL)
    apart = [(c, d[0], d[1] if len(d) > 1 else 0) for c in ALL for d in [decomposition(c)] if d]
    pairs = sorted((a, b, c) for c, a, b in apart if b and u.normalize("NFC", chr(a) + chr(b)) == chr(c))
    print("/* unicode_tables.h - written by unicode.py from Unicode " + u.unidata_version + ". */")
    print("#ifndef ER_MODEL_UNICODE_TABLES_H\n#define ER_MODEL_UNICODE_TABLES_H\n\n#include <stdint.h>\n")
    print("typedef struct { uint32_t first, last; } code_range;")
    print("typedef struct { uint32_t first, last; uint8_t value; } code_value;")
    print("typedef struct { uint32_t a, b, c; } code_triple;")
    table("code_range", "letters", [r[:2] for r in letters], "general category L")
    table("code_range", "numbers", [r[:2] for r in numbers], "general category N")
    table("code_value", "combining", classes, "canonical combining classes other than 0")
    table("code_triple", "apart", apart, "canonical decompositions, one step: a is b c, or b alone where c is 0")
    table("code_triple", "together", pairs, "a b composes to c")
    print("\n#endif")


main()
