//! Everybody at once: five thousand clients of one server. A program of its own, since it takes half of the files that
//! a process may open, and no logs are kept of it.

mod crowd;
mod renewal;
mod restart;
