#!/bin/sh
# The linker of the wheels: takes what rustc gives to `cc`, and links it by Zig, which has the symbols of every glibc, for
# that of AAREN_GLIBC. libstdc++ and libgcc stay the system's, by whose ABI libtorch is called: Zig would put its own
# in their place. They ask for a newer glibc, where they lie here; the user's don't. AAREN_RPATH, where set, takes the place
# of the folders here.
set -eu
of() { realpath "$(g++ -print-file-name="$1")"; }
for argument do
    shift
    case $argument in
        -Wl,-rpath,*) continue ;;
        -lstdc++) argument=$(of libstdc++.so.6) ;;
        -lgcc_s) argument=$(of libgcc_s.so.1) ;;
        -lgomp) argument=$(of libgomp.so.1) ;;
    esac
    set -- "$@" "$argument"
done
if [ -n "${AAREN_RPATH:-}" ]; then
    set -- "$@" "-Wl,-rpath,$AAREN_RPATH"
fi
exec cargo-zigbuild zig cc -- -target "x86_64-linux-gnu.$AAREN_GLIBC" -Wl,--allow-shlib-undefined "$@" \
    "$(dirname "$0")/older.c"
