//! Looking at rooms from outside, for operators.

use serde::{Deserialize, Serialize};
use token_gen::{AppId, RoomId};

use super::{Rooms, Snapshot, lock};

/// A room in few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// The room.
    pub room_id: String,
    /// How many users are in it.
    pub user_count: usize,
    /// How many streams there are in it.
    pub stream_count: usize,
}

/// Where a stream is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The room.
    pub room_id: String,
    /// Who publishes it.
    pub user_id: String,
}

impl Rooms {
    /// Up to `limit` rooms of the app, by id, whose id `is_wanted`, from the one after `after`.
    pub fn overview(
        &self,
        app_id: AppId,
        is_wanted: impl Fn(&str) -> bool,
        after: &str,
        limit: usize,
    ) -> Vec<Overview> {
        let Some(world) = self.known(app_id) else { return Vec::new() };
        let world = lock(&world);
        let is_wanted = |room_id: &str| room_id > after && is_wanted(room_id);
        // An app may keep empty rooms for a while.
        let mut wanted: Vec<_> = world
            .rooms
            .iter()
            .filter(|(room_id, room)| !room.members.is_empty() && is_wanted(room_id.as_str()))
            .collect();
        wanted.sort_unstable_by_key(|(room_id, _)| room_id.as_str());
        let overview = |(room_id, room): &(&token_gen::RoomId, &super::room::Room)| Overview {
            room_id: room_id.as_str().to_owned(),
            user_count: room.members.len(),
            stream_count: room.streams.len(),
        };
        wanted.iter().take(limit).map(overview).collect()
    }

    /// One room as it is now, with everybody in it, if anybody here is in it.
    pub fn snapshot_of_here(&self, app_id: AppId, room_id: &str) -> Option<Snapshot> {
        let world = self.known(app_id)?;
        let world = lock(&world);
        let room = world.rooms.get(&RoomId::new(room_id).ok()?)?;
        (room.locals > 0).then(|| room.snapshot())
    }

    /// The streams of the app's rooms that begin with `prefix`, with where they are, in no order.
    pub fn streams(&self, app_id: AppId, prefix: &str) -> Vec<(String, Found)> {
        let Some(world) = self.known(app_id) else { return Vec::new() };
        let world = lock(&world);
        let rooms = world.rooms.iter().filter(|(room_id, _)| room_id.as_str().starts_with(prefix));
        let streams = rooms.flat_map(|(room_id, room)| {
            let found = |stream: roompass_wire::gateway::Stream| {
                (stream.stream_id, Found { room_id: room_id.as_str().to_owned(), user_id: stream.user_id })
            };
            room.snapshot().streams.into_iter().map(found).collect::<Vec<_>>()
        });
        streams.collect()
    }

    /// Where a stream is, if anybody publishes it.
    pub fn find_stream(&self, app_id: AppId, stream_id: &str) -> Option<Found> {
        let world = self.known(app_id)?;
        let world = lock(&world);
        world.rooms.iter().find_map(|(room_id, room)| {
            let stream = room.snapshot().streams.into_iter().find(|stream| stream.stream_id == stream_id)?;
            Some(Found { room_id: room_id.as_str().to_owned(), user_id: stream.user_id })
        })
    }
}
