/* A policy on a Cortex-M4F without an operating system: acts for 40 steps in made-up surroundings, says each action by
 * semihosting, then `instructions N stack BYTES`: of the longest step, and all of the stack that was used.
 *
 * QEMU with -icount shift=0 counts a nanosecond for each instruction; the board's timer counts 25 a microsecond. */
#include <stdint.h>

#include POLICY_FILE

#define STEPS 40
#define REGISTER(address) (*(volatile uint32_t *)(address))
#define NANOSECONDS_A_TICK 40u
#define PAINT 0xa5a5a5a5u

extern uint32_t data_start[], data_end[], data_from[], bss_start[], bss_end[], stack_begin[], stack_end[];
void start(void);
void fault(void);
int main(void);

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)stack_end, (uintptr_t)start, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,      (uintptr_t)fault, (uintptr_t)fault,
};

static void semihosting(uint32_t operation, uintptr_t argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void say(const char *text) {
    semihosting(0x04, (uintptr_t)text);
}

static void leave(int failed) {
    semihosting(0x18, failed ? 0x20023 : 0x20026);
    for (;;) {
    }
}

void fault(void) {
    say("fault\n");
    leave(1);
}

/* The number's bits: printf would need more flash than the policy. */
static void say_hex(uint32_t bits, const char *after) {
    char text[9];
    int i;
    for (i = 0; i < 8; i++) text[i] = "0123456789abcdef"[bits >> (28 - 4 * i) & 15];
    text[8] = 0;
    say(text);
    say(after);
}

void start(void) {
    uint32_t *from = data_from, *to;
    for (to = data_start; to < data_end;) *to++ = *from++;
    for (to = bss_start; to < bss_end;) *to++ = 0;
    REGISTER(0xe000ed88) |= 0xfu << 20; /* the floating-point unit */
    __asm__ volatile("dsb\n\tisb");
    leave(main());
}

static POLICY(state) state;

int main(void) {
    static float observation[SIZE(OBSERVATION)], action[SIZE(ACTION)];
    volatile uint32_t *word = stack_begin, *top;
    uint32_t longest = 0;
    int t, i;
    /* Paint what lies below, to see later how far down the steps came. */
    __asm__ volatile("mov %0, sp" : "=r"(top));
    while (word < top) *word++ = PAINT;
    REGISTER(0x40000008) = 0xffffffffu; /* reload of timer 0 */
    REGISTER(0x40000000) = 1u;          /* and start */
    POLICY(reset)(&state, 300.0);
    for (t = 0; t < STEPS; t++) {
        uint32_t before, after;
        for (i = 0; i < SIZE(OBSERVATION); i++) observation[i] = (float)((t * 7 + i * 3) % 11) / 11.0f;
        before = REGISTER(0x40000004);
        if (POLICY(act)(&state, observation, 0.25 * (double)t, action) != 0) return 1;
        after = REGISTER(0x40000004);
        if (before - after > longest) longest = before - after;
        for (i = 0; i < SIZE(ACTION); i++) {
            uint32_t bits;
            memcpy(&bits, &action[i], sizeof bits);
            say_hex(bits, i + 1 < SIZE(ACTION) ? " " : "\n");
        }
    }
    for (word = stack_begin; *word == PAINT;) word++;
    say("instructions ");
    say_hex(longest * NANOSECONDS_A_TICK, " stack ");
    say_hex(4u * (uint32_t)((uint32_t *)stack_end - word), " state ");
    say_hex((uint32_t)sizeof state, "\n");
    return 0;
}
