/* What the system's C++ headers call, and the C and C++ libraries of manylinux_2_28 (glibc 2.28, GLIBCXX_3.4.25) have not,
 * by what they have. Hidden: nothing else sees it. */
#include <stddef.h>

#pragma GCC visibility push(hidden)

/* Whether there is one thread only, since glibc 2.32. "No" is always right. */
char __libc_single_threaded = 0;

/* `std::__throw_bad_array_new_length`, since GLIBCXX_3.4.29. */
extern void __cxa_throw_bad_array_new_length(void) __attribute__((noreturn, visibility("default")));

void _ZSt28__throw_bad_array_new_lengthv(void) {
    __cxa_throw_bad_array_new_length();
}

/* `std::string::operator std::string_view`, since GLIBCXX_3.4.26. */
struct string {
    const char *text;
    size_t length;
};

struct view {
    size_t length;
    const char *text;
};

struct view _ZNKSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEcvSt17basic_string_viewIcS2_EEv(
    const struct string *from) {
    return (struct view){from->length, from->text};
}

/* `std::ostringstream::ostringstream()`, since GLIBCXX_3.4.26, by the constructor with a mode. */
enum { IOS_OUT = 1 << 4 };

extern void _ZNSt7__cxx1119basic_ostringstreamIcSt11char_traitsIcESaIcEEC1ESt13_Ios_Openmode(void *self, int mode)
    __attribute__((visibility("default")));

void _ZNSt7__cxx1119basic_ostringstreamIcSt11char_traitsIcESaIcEEC1Ev(void *self) {
    _ZNSt7__cxx1119basic_ostringstreamIcSt11char_traitsIcESaIcEEC1ESt13_Ios_Openmode(self, IOS_OUT);
}

#pragma GCC visibility pop
