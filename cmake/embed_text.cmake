# Turns text files into C: cmake -DOUT=file.inc -DNAMES=a,b -DFILES=a.txt,b.txt -P embed_text.cmake
# Each becomes `static const char *const NAME[]`, a string a line without its newline, NULL at the end.
string(REPLACE "," ";" names "${NAMES}")
string(REPLACE "," ";" files "${FILES}")
set(out "/* generated */\n")
foreach(name file IN ZIP_LISTS names files)
  file(READ "${file}" text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\t" "\\t" text "${text}")
  string(REPLACE "\n" "\",\n    \"" text "${text}")
  string(APPEND out "static const char *const ${name}[] = {\n    \"${text}\",\n    NULL};\n")
endforeach()
file(WRITE "${OUT}" "${out}")
