#!/bin/bash
# Policies on other processors than this one, under QEMU: the runtime on aarch64, C files on aarch64 and on a Cortex-M4F.
#
#     bash policies/streaming/devices/test.sh [FILE]
#
# Tested: every encoder, kind of positions, perceptron and precision gives on aarch64 what it gives here, on NEON and on portable code; the C
# interface's example does; C files act as the runtime does on both. Writes the table of the microcontroller to FILE.
# Debian's Rust, cross compilers and QEMU are installed where they are missing, as root.
set -euo pipefail
cd "$(dirname "$0")/../../.."

fail() { echo "devices-test: $*"; exit 1; }
missing=
for program in aarch64-linux-gnu-gcc arm-none-eabi-gcc qemu-aarch64 qemu-system-arm clang; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
rust=/usr/bin/rustc
target=aarch64-unknown-linux-gnu
[ -d "$("$rust" --print sysroot 2>/dev/null)/lib/rustlib/$target" ] || missing="$missing Debian's-rustc-for-arm64"
if [ -n "$missing" ]; then
  [ "$(id -u)" -eq 0 ] || fail "missing:$missing; run as root to install them"
  command -v apt-get >/dev/null || fail "missing:$missing; install them"
  dpkg --add-architecture arm64
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi \
    clang rustc-web libstd-rust-web-dev:arm64 >/dev/null || fail "missing:$missing, and apt-get cannot install them"
fi

table=${1:-target/devices/cortex-m4.md}
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
devices=policies/streaming/devices

# --- The runtime.
cargo build --release --locked -p aaren-streaming --example devices
native=target/release/examples/devices
"$native" record >"$here/record"
"$native" compare "$here/record"
cross() {
  RUSTC=$rust CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    cargo build --release --locked --target $target --target-dir target/devices "$@"
}
arm() { qemu-aarch64 -L /usr/aarch64-linux-gnu "$@"; }
cross -p aaren-streaming --example devices
arm target/devices/$target/release/examples/devices compare "$here/record"

# --- The C interface: its example says the same on both.
cargo build --release --locked -p aaren-streaming-c
cross -p aaren-streaming-c
c=policies/streaming/c
example="-std=c99 -Wall -Wextra -Werror -I $c/include $c/examples/act.c"
gcc $example target/release/libaaren_streaming_c.a -lpthread -ldl -lm -o "$here/act"
aarch64-linux-gnu-gcc $example target/devices/$target/release/libaaren_streaming_c.a -lpthread -ldl -lm -o "$here/act-arm"
policy=results/reference/demo/aaren.safetensors
"$here/act" $policy 40 >"$here/act.expected" 2>/dev/null
arm "$here/act-arm" $policy 40 2>/dev/null | "$native" check "$here/act.expected" >"$here/off"
echo "devices-test: the C interface on aarch64 is $(cat "$here/off") off at most"

# --- C files.
"$native" write "$here" >"$here/names"
flags="-std=c99 -Wall -Wextra -Wpedantic -Werror -O2"
define() { # name
  definitions=("-DPOLICY_FILE=\"$1.h\"" "-DPOLICY(x)=$1_##x" "-DSIZE(x)=${1^^}_##x" -I "$here")
}
count=0
while read -r name _; do
  define "$name"
  for compiler in gcc clang aarch64-linux-gnu-gcc; do
    $compiler $flags "${definitions[@]}" policies/streaming/tests/c/drive.c -o "$here/$name-$compiler" -lm
  done
  for program in "$here/$name-gcc" "$here/$name-clang" "arm $here/$name-aarch64-linux-gnu-gcc"; do
    $program 40 40 | "$native" check "$here/$name.expected" >/dev/null || fail "$name: $program"
    count=$((count + 1))
  done
  rm "$here/$name"-*
done <"$here/names"
echo "devices-test: C files of $(wc -l <"$here/names") policies act as the runtime does from gcc, clang and on aarch64"

# --- A Cortex-M4F.
mkdir -p "$(dirname "$table")"
{
  echo "Policies as C files on a Cortex-M4F (QEMU's mps2-an386): one step of 11 observations and 3 actions, an episode of 40"
  echo "steps that agrees with the runtime's. Flash is all that the program takes, libm included; RAM is the policy's state,"
  echo "working memory included, and the stack; instructions are those of the longest step. Made by \`make devices-test\`"
  echo "at commit $(git describe --always --dirty 2>/dev/null || echo unknown) with $(arm-none-eabi-gcc --version | head -n 1), -O2."
  echo
  echo "| policy | matrices | flash, kB | state, kB | stack, B | instructions a step | off by at most |"
  echo "|--------|----------|----------:|----------:|---------:|--------------------:|---------------:|"
} >"$table"
while read -r name _; do
  define "$name"
  arm-none-eabi-gcc -std=c99 -Wall -Wextra -Werror -O2 -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 \
    -ffunction-sections -fdata-sections -Wl,--gc-sections -nostartfiles -T $devices/cortex-m4/link.ld \
    "${definitions[@]}" $devices/cortex-m4/main.c -lm -o "$here/$name.elf"
  timeout 300 qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none -icount shift=0 \
    -semihosting-config enable=on,target=native -kernel "$here/$name.elf" >"$here/said" 2>&1 ||
    fail "$name on the Cortex-M4F: $(tail -n 3 "$here/said")"
  grep -v instructions "$here/said" | perl -ane 'print join(" ", map { unpack "f", pack "L", hex } @F), "\n"' >"$here/actions"
  off=$("$native" check "$here/$name.expected" <"$here/actions") || fail "$name on the Cortex-M4F"
  read -r _ instructions _ stack _ state < <(grep instructions "$here/said")
  flash=$(arm-none-eabi-size "$here/$name.elf" | awk 'NR == 2 { printf "%.1f", ($1 + $2) / 1000 }')
  # All are checked; the table shows the first four policies, whose sizes are usual.
  case ${name%_int8} in aaren_64 | gru_64 | aaren_128 | perceptron_128) ;; *) continue ;; esac
  matrices=float32
  [ "${name%_int8}" = "$name" ] || matrices=int8
  printf '| %s | %s | %s | %s | %d | %d | %s |\n' "${name%_int8}" $matrices "$flash" \
    "$(awk -v n=$((0x$state)) 'BEGIN { printf "%.1f", n / 1000 }')" $((0x$stack)) $((0x$instructions)) "$off" >>"$table"
done <"$here/names"
cat "$table"
echo "devices-test: passed"
