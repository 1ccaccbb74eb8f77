// Table of contents.

export { RoompassClient, type LocalUser, type LoginConfig } from "./client.js";
export { browser, type Environment, type Socket } from "./environment.js";
export { RoompassError, type ErrorKind } from "./errors.js";
export type { PlayerState, PublisherState, RoomState, RoompassEvents, StreamState } from "./events.js";
export type { ClientOptions, LoginProofRequest } from "./options.js";
export { httpProvider, type HttpProviderOptions, type TokenAnswer, type TokenProvider, type TokenRequest } from "./provider.js";
export type { RoomExtra, Stream, User } from "./roster.js";
export type { LoginResult } from "./session.js";
export type { PublishOptions } from "./streams.js";
export type { MediaKind, Privilege, Rights } from "./wire.js";
