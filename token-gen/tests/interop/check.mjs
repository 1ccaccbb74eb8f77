// Opens tokens minted by token-gen and seals them again, with nothing of its code: node check.mjs TOKENS.json
// Written from the description of the format, with Node's own crypto and no package.

import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

function openToken(token, secret) {
  const body = Buffer.from(token.slice(2), 'base64');
  assert.equal(body.toString('base64'), token.slice(2), 'the base64 is not canonical');
  const expire = body.readBigInt64BE(0);
  const ivEnd = 10 + body.readUInt16BE(8);
  const iv = body.subarray(10, ivEnd);
  const contentEnd = ivEnd + 2 + body.readUInt16BE(ivEnd);
  const content = body.subarray(ivEnd + 2, contentEnd);
  const tail = body.subarray(contentEnd);
  assert.equal(content.length, contentEnd - ivEnd - 2, 'the body ends early');
  if (tail.length === 0) {
    assert.equal(iv.length, 16);
    const decipher = createDecipheriv('aes-256-cbc', secret, iv);
    return { cipher: 'cbc', expire, iv, plaintext: Buffer.concat([decipher.update(content), decipher.final()]) };
  }
  assert.deepEqual([...tail], [1]);
  assert.equal(iv.length, 12);
  const decipher = createDecipheriv('aes-256-gcm', secret, iv);
  decipher.setAuthTag(content.subarray(-16));
  return { cipher: 'gcm', expire, iv, plaintext: Buffer.concat([decipher.update(content.subarray(0, -16)), decipher.final()]) };
}

function sealToken(version, { cipher, expire, iv, plaintext }, secret) {
  const sealer = createCipheriv(`aes-256-${cipher}`, secret, iv);
  const parts = [sealer.update(plaintext), sealer.final()];
  if (cipher === 'gcm') parts.push(sealer.getAuthTag());
  const content = Buffer.concat(parts);
  const head = Buffer.alloc(10);
  head.writeBigInt64BE(expire, 0);
  head.writeUInt16BE(iv.length, 8);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(content.length);
  const tail = Buffer.from(cipher === 'gcm' ? [1] : []);
  return version + Buffer.concat([head, iv, length, content, tail]).toString('base64');
}

// The nonce is a 64-bit integer, which a JavaScript number does not hold: it is kept as text.
function claimsText(vector, nonce) {
  const json = JSON.stringify;
  const { app_id: app, user_id: user, issued_at: issued, expire_at: expires } = vector;
  if (vector.version === '03') {
    const { 1: login, 2: publish } = vector.privilege;
    return `{"app_id":${app},"room_id":${json(vector.room_id)},"user_id":${json(user)},` +
      `"privilege":{"1":${login},"2":${publish}},"create_time":${issued},"expire_time":${expires},"nonce":${nonce}}`;
  }
  return `{"app_id":${app},"user_id":${json(user)},"nonce":${nonce},"ctime":${issued},"expire":${expires},` +
    `"payload":${json(vector.payload)}}`;
}

function check(vector) {
  const secret = Buffer.from(vector.secret, 'utf8');
  assert.equal(vector.token.slice(0, 2), vector.version);
  const opened = openToken(vector.token, secret);
  assert.equal(opened.cipher, vector.cipher);
  assert.equal(opened.expire, BigInt(vector.expire_at));
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(opened.plaintext);
  const claims = JSON.parse(text);
  assert.equal(claims.user_id, vector.user_id);
  if (vector.version === '04') assert.equal(claims.payload, vector.payload);
  const [, nonce] = /"nonce":(-?\d+)[,}]/.exec(text);
  assert.equal(BigInt.asIntN(64, BigInt(nonce)), BigInt(nonce));
  assert.equal(text, claimsText(vector, nonce));
  assert.equal(sealToken(vector.version, opened, secret), vector.token);
  assert.equal(createHash('sha256').update(vector.token).digest('base64url').slice(0, 22), vector.token_id);
  if (vector.kit) {
    const info = { userID: vector.user_id, roomID: vector.kit.room_id, userName: encodeURIComponent(vector.kit.user_name), appID: vector.app_id };
    assert.equal(vector.kit_token, `${vector.token}#${btoa(JSON.stringify(info))}`);
  }
}

const vectors = JSON.parse(readFileSync(process.argv[2], 'utf8'));
for (const vector of vectors) {
  try {
    check(vector);
  } catch (error) {
    console.error(`${vector.id}: ${error.message}`);
    process.exit(1);
  }
}
console.log(`${vectors.length} tokens opened, sealed again and equal`);
