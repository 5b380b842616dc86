import type { BodyReader, Inbound } from './message.ts'

/** The same request with a body that was read before; a body that is not `body` any more cannot be read again. */
export function replayedInbound(inbound: Inbound, body: readonly Buffer[]): Inbound {
  return {
    version: inbound.version,
    method: inbound.method,
    target: inbound.target,
    authority: inbound.authority,
    headers: inbound.headers,
    upgrade: inbound.upgrade,
    bodyLength: inbound.bodyLength,
    isSecure: inbound.isSecure,
    remoteAddress: inbound.remoteAddress,
    read(reader: BodyReader) {
      for (const chunk of body) reader.onData(chunk)
      reader.onEnd([])
    },
    pause() {},
    resume() {},
    listen: (listener) => inbound.listen(listener),
    inform: (head) => inbound.inform(head),
    respond: (head, length) => inbound.respond(head, length),
    write: (chunk) => inbound.write(chunk),
    end: (trailers) => inbound.end(trailers),
    reset: () => inbound.reset(),
    upgradeTo: (head) => inbound.upgradeTo(head),
  }
}
