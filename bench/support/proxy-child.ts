// A child of `proxy-hop`: the service, a plain keep-alive proxy in front of it, or the front door; it tells its port, and its processor time when asked.
import { Agent, createServer, request as httpRequest, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createFrontDoor } from '../../src/drivers/proxy/front-door.ts'

const [role = '', upstream = '', home = ''] = process.argv.slice(2)
const body = 'x'.repeat(512)

const roles: Record<string, () => Promise<number>> = {
  service: () => listen(createServer((_request, response) => response.end(body))),
  plain() {
    const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 })
    return listen(
      createServer((request, response) => {
        const { method, url: path, headers } = request
        const asked = httpRequest({ host: '127.0.0.1', port: Number(upstream), method, path, headers, agent }, (answered) => {
          response.writeHead(answered.statusCode ?? 502, answered.headers)
          answered.pipe(response)
        })
        asked.on('error', () => response.destroy())
        request.pipe(asked)
      }),
    )
  },
  async door() {
    const door = await createFrontDoor({ home })
    const endpoints = [{ host: '127.0.0.1', port: Number(upstream) }]
    return (await door.route({ host: 'service.bench', workspace: 'bench', service: 'service', endpoints })).port
  },
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ cpuMicroseconds: user + system })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ port: await roles[role]!() })
