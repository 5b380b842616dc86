import { connect } from 'node:http2'
import { messageOf, textOf } from './prices.ts'

export interface GrpcAnswer {
  /** `grpc-status`. */
  status: string
  message: string
  text: string
  servedBy: string | undefined
}

/** One unary call over HTTP/2 without TLS, as a service makes it of the proxy. */
export function callGrpc(url: string, path: string, text: string): Promise<GrpcAnswer> {
  return new Promise((resolve, reject) => {
    const session = connect(url)
    session.once('error', reject)
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    const parts: Buffer[] = []
    const said: Record<string, unknown> = {}
    stream.on('response', (headers) => Object.assign(said, headers))
    stream.on('trailers', (trailers) => Object.assign(said, trailers))
    stream.on('data', (part: Buffer) => parts.push(part))
    stream.once('error', reject)
    stream.once('close', () => {
      session.close()
      const servedBy = said['shiv-served-by'] as string | undefined
      const message = decodeURIComponent(String(said['grpc-message'] ?? ''))
      resolve({ status: String(said['grpc-status'] ?? ''), message, text: textOf(Buffer.concat(parts)), servedBy })
    })
    stream.end(messageOf(text))
  })
}
