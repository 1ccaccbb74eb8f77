//! Everybody at once: five and ten thousand clients of one server. A program of its own, since it takes half of the files
//! that a process may open.

mod crowd;
mod numbers;
mod renewal;
mod restart;
mod server;
