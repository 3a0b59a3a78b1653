//! The macro that declares a request body.

/// Declares a request body: the struct that documents it, and the [`Input`](super::Input) that parses it.
///
/// ```text
/// request! {
///     /// Login credentials.
///     /// 로그인 정보.
///     pub(crate) struct LogIn {
///         /// Name of the user.
///         /// 사용자의 이름.
///         login: String = text(Username::parse),
///         /// Name of the device, 1 to 60 characters.
///         /// 기기 이름, 1~60자.
///         device_name: Option<String> = text(DeviceName::parse),
///     }
///
///     fn parse(fields) -> Option<blegram_auth::LogIn> {
///         Some(blegram_auth::LogIn { login: login?, device_name })
///     }
/// }
/// ```
///
/// A field has its type in the document, which also decides whether it is required, and the method of
/// [`Fields`](super::Fields) that parses it, with the arguments that follow the field. `Option<T> | nullable` declares a
/// field of a PATCH body that null clears. Fields are parsed in order, and all of them before the body of `parse`, so that
/// all failures are reported. In that body each field is a variable: `Some` if it has a valid value.
///
/// In the arguments, earlier fields are such variables too, and later ones are a [`Field`](super::Field). A field without a
/// method is a `Field` in the body of `parse`, which has to parse it, for a rule that needs other fields. A field that
/// `parse` forgets is a compile error.
macro_rules! request {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            $(
                $(#[$field_attribute:meta])*
                $field:ident: $documented:ty $(| $nullable:ident)?
                    $(= $method:ident($($argument:expr),* $(,)?))?,
            )+
        }

        fn parse($fields:ident) -> Option<$parsed:ty> $body:block
    ) => {
        $(#[$attribute])*
        #[derive(Debug, poem_openapi::Object)]
        $visibility struct $name {
            $(
                $(#[$field_attribute])*
                $(#[oai($nullable)])?
                $field: $documented,
            )+
        }

        impl $crate::body::Input for $name {
            type Parsed = $parsed;

            #[deny(unused_variables)]
            fn parse($fields: &mut $crate::body::Fields) -> Option<$parsed> {
                $(
                    let $field =
                        $crate::body::Field::<$documented>::new(stringify!($field)) $(.$nullable())?;
                )+
                $($(let $field = $fields.$method($field $(, $argument)*);)?)+
                $body
            }
        }
    };
}
pub(crate) use request;
