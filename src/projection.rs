//! [`future_beside`]: a type that holds a future and a value that may be moved: the one pin projection of this crate.

/// Defines a struct of a `future`, pinned whenever the struct is, and a `rest`, which never is, and a private `project`.
/// They are dropped in this order.
///
/// The projection is sound because nothing else hands out `future`, `rest` is `Unpin` (the bound says so), the struct has
/// no `Drop`, and `Unpin` is derived from both fields.
macro_rules! future_beside {
    ($(#[$meta:meta])* $vis:vis struct $name:ident<F> { rest: $rest:ty }) => {
        $(#[$meta])*
        $vis struct $name<F> {
            future: F,
            rest: $rest,
        }

        impl<F> $name<F> {
            fn project(self: std::pin::Pin<&mut Self>) -> (std::pin::Pin<&mut F>, &mut $rest) {
                fn must_be_unpin<T: Unpin>() {}
                must_be_unpin::<$rest>();
                // SAFETY: nothing is moved: `future` is pinned on at once, `rest` is `Unpin`.
                let this = unsafe { self.get_unchecked_mut() };
                // SAFETY: structural pinning, as said above.
                (unsafe { std::pin::Pin::new_unchecked(&mut this.future) }, &mut this.rest)
            }
        }
    };
}

pub(crate) use future_beside;
