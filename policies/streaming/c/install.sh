#!/bin/sh
# Installs the C interface: libraries, header, and what pkg-config and CMake look for. `make install-c` builds and calls it.
#
#     sh policies/streaming/c/install.sh BUILD_FOLDER PREFIX VERSION     (DESTDIR as usual)
set -eu
build=$1 to=${DESTDIR:-}$2 version=$3
here=$(dirname "$0")
mkdir -p "$to/include" "$to/lib/pkgconfig" "$to/lib/cmake/aaren_streaming"
for library in "$build"/libaaren_streaming_c.a "$build"/libaaren_streaming_c.so "$build"/libaaren_streaming_c.dylib; do
  [ ! -f "$library" ] || cp "$library" "$to/lib/"
done
[ -f "$to/lib/libaaren_streaming_c.a" ] || { echo "install.sh: no libaaren_streaming_c.a in $build"; exit 1; }
cp "$here/include/aaren_streaming.h" "$to/include/"
fill() { sed "s/@VERSION@/$version/" "$here/install/$1.in"; }
fill aaren-streaming.pc >"$to/lib/pkgconfig/aaren-streaming.pc"
cp "$here/install/aaren_streaming-config.cmake" "$to/lib/cmake/aaren_streaming/"
fill aaren_streaming-config-version.cmake >"$to/lib/cmake/aaren_streaming/aaren_streaming-config-version.cmake"
