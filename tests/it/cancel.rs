//! Every future is dropped at every await point, and what its docs say under *Cancel safety* is held against what is
//! left.
//!
//! Here stand those whose promise is all there is to test; the others have such a test beside their other tests, in the
//! module of their area. A rule in `absences` looks for each maker in both places: so each file here has the name of an
//! area.

mod blocking;
mod coroutine;
mod fs;
mod group;
mod io;
mod net;
mod process;
mod scope;
mod sync;
mod task;
mod time;
