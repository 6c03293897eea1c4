# What every Windows build shares: the oldest system we serve (Windows 10 1607), and files that are Linux's alone.
add_compile_definitions(_WIN32_WINNT=0x0A00 NTDDI_VERSION=0x0A000002)
set(not_on_windows "/xdp_af_packet\\.c$|/core/client\\.c$|/api/in_process\\.c$")
# The C runtime's printf with C99's formats.
add_compile_definitions(__USE_MINGW_ANSI_STDIO=1)

# driver(NAME SOURCES source… LIBRARIES library… [FOLDER folder]): a kernel driver bin/NAME.sys with its NAME.pdb.  All code in it, the shared rooms too, is compiled for the kernel: no red zone, no stack probes, no libc but what
# ntoskrnl.exe exports, unwind data for every function, control flow guard.
function(driver name)
  cmake_parse_arguments(DRIVER "" "FOLDER" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT DRIVER_FOLDER)
    set(DRIVER_FOLDER ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
  endif()
  add_executable(${name} ${DRIVER_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${DRIVER_FOLDER} SUFFIX .sys C_STANDARD 17 C_EXTENSIONS ON POSITION_INDEPENDENT_CODE OFF)
  target_compile_definitions(${name} PRIVATE WINBPF_KERNEL)
  target_compile_options(${name} PRIVATE
    $<$<COMPILE_LANGUAGE:C>:-g -gcodeview -ffreestanding -fms-extensions -fgnu89-inline -fasynchronous-unwind-tables
    -mno-stack-arg-probe -mno-red-zone -mguard=cf -Wframe-larger-than=5120 -Wno-missing-prototypes
    -Wno-unknown-pragmas -Wno-ignored-attributes -Wno-microsoft -Wno-multichar -Wno-strict-prototypes
    "-Wno-\#warnings" -isystem /usr/x86_64-w64-mingw32/include/ddk>)
  target_link_options(${name} PRIVATE
    -shared -nostdlib -nostartfiles -Wl,--subsystem,native:10.0 -Wl,--entry,DriverEntry -Wl,--image-base,0x140000000
    -Wl,--dynamicbase,--nxcompat,--high-entropy-va -Wl,--exclude-all-symbols -Wl,--gc-sections
    -Wl,-Xlink=-guard:cf -Wl,--no-insert-timestamp -Wl,--pdb=${DRIVER_FOLDER}/${name}.pdb)
  target_link_libraries(${name} PRIVATE ${DRIVER_LIBRARIES} ntoskrnl hal)
endfunction()

# import_library(NAME SOURCE.def): an import library for a system module that mingw has none for.
function(import_library name definition)
  find_program(WINBPF_DLLTOOL NAMES x86_64-w64-mingw32-dlltool REQUIRED)
  set(library ${CMAKE_BINARY_DIR}/lib/lib${name}.a)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
  add_custom_command(OUTPUT ${library} COMMAND ${WINBPF_DLLTOOL} -d ${definition} -l ${library} DEPENDS ${definition})
  add_custom_target(import_${name} DEPENDS ${library})
endfunction()
