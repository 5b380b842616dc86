import { createServer } from 'node:http2'
import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import { callGrpc } from '../../../support/staging/call-grpc.ts'
import { messageOf } from '../../../support/staging/prices.ts'
import { cleanUp, listen, open } from './support.ts'

/** A way to a port that is no socket, as a tunnel is: what comes in one piece is read in one piece. */
function wayTo(port: number): Duplex {
  const socket = connect(port, '127.0.0.1')
  const way = new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Buffer, _encoding, done) => void socket.write(chunk, done),
    final: (done) => void socket.end(done),
    destroy: (error, done) => done(socket.destroy() && error),
  })
  socket.on('data', (chunk: Buffer) => {
    if (!way.push(chunk)) socket.pause()
  })
  socket.on('end', () => way.push(null))
  socket.on('error', (error) => way.destroy(error))
  return way
}

test('gRPC through a tunnel: an answer whose head, message and trailers come in one piece arrives as it was', async () => {
  const server = createServer()
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.end(messageOf('2.50'))
  })
  const port = await listen(server as never)
  cleanUp(() => server.close())
  const { port: proxied, events } = await open(
    { url: new URL('http://prices.shop:8081'), connect: async () => wayTo(port) },
    { protocol: 'grpc' },
  )
  for (let call = 0; call < 5; call += 1) {
    expect(await callGrpc(`http://127.0.0.1:${proxied}`, '/prices.Prices/Get', 'beans')).toMatchObject({
      status: '0',
      text: '2.50',
    })
  }
  expect(events.map(({ outcome, status }) => [outcome, status])).toEqual(Array.from({ length: 5 }, () => ['answered', '0']))
})
