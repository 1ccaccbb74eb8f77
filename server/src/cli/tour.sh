# 1. What the service printed, as variables: ROOMPASS_URL, ROOMPASS_APP_ID, ROOMPASS_BACKEND_KEY, …
source .roompass/demo.env

# 2. Mint a token, as your backend would.
curl -sS "$ROOMPASS_URL/v1/apps/$ROOMPASS_APP_ID/tokens" -w '\n' \
  -H "Authorization: Bearer $ROOMPASS_BACKEND_KEY" -H 'Content-Type: application/json' \
  -d '{"user_id":"alice","room_id":"room1","privileges":["login","publish"],"ttl_secs":600}' \
  | tee .roompass/token.json

# 3. Verify it without the server, then ask why it would not open another room.
sed 's/.*"token":"\([^"]*\)".*/\1/' .roompass/token.json > .roompass/token.txt
cargo run -p token-gen -- verify - --app-id "$ROOMPASS_APP_ID" \
  --server-secret-file .roompass/demo.secret --json < .roompass/token.txt
cargo run -p token-gen -- explain - --app-id "$ROOMPASS_APP_ID" \
  --server-secret-file .roompass/demo.secret --user-id alice --room-id room2 < .roompass/token.txt

# 4. Enter the room with the SDK; publish; see who comes. Ctrl-C leaves.
cargo run -p roompass-sdk --example join_room

# 5. A token of 20 seconds, renewed by the SDK before it expires, again and again. Ctrl-C leaves.
cargo run -p roompass-sdk --example auto_renew

# 6. A room in the terminal: users, streams, messages, the token's countdown. Run it twice, with two users.
cargo run -p roompass-sdk --example room_chat -- alice room1
