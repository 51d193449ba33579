# Writes the C file of embedded sources: one assembler-free .incbin a file, which
# keeps the build fast however large the tree grows.
set(text "/* Written by cmake/embed_write.cmake. */\n#include \"base/embed.h\"\n#include <stddef.h>\n\n")
set(table "")
set(n 0)
foreach(file IN LISTS FILES)
  string(APPEND text "__asm__(\".section .rodata\\n.global er_embed_${n}\\ner_embed_${n}:\\n.incbin \\\"${SOURCE}/${file}\\\"\\n.byte 0\\n.global er_embed_${n}_end\\ner_embed_${n}_end:\\n.previous\\n\");\nextern const char er_embed_${n}[], er_embed_${n}_end[];\n")
  string(APPEND table "  {\"${file}\", er_embed_${n}, er_embed_${n}_end},\n")
  math(EXPR n "${n} + 1")
endforeach()
file(WRITE ${OUT} "${text}\nconst er_embedded_file er_embedded_files[] = {\n${table}  {NULL, NULL, NULL}\n};\n")
