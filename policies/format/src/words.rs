//! Enums whose variants are words of YAML and JSON.

/// Writes `ALL`, `name` and `Display` of an enum, from the word of each variant.
macro_rules! words {
    ($of:ident: $($variant:ident = $word:literal),+) => {
        impl $of {
            /// Every one there is.
            pub const ALL: [$of; [$($word),+].len()] = [$($of::$variant),+];

            /// Its name in YAML and JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $($of::$variant => $word,)+
                }
            }
        }

        impl core::fmt::Display for $of {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(crate) use words;
