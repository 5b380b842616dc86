import { createServer, type Server } from 'node:http'
import { config } from './config.js'

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
const requests = new Map<string, number>()
const durations = { buckets: BUCKETS.map(() => 0), sum: 0, count: 0 }
let placed = 0

export function countRequest(method: string, route: string, status: number, seconds: number): void {
  const labels = `method="${method}",route="${route}",status="${status}"`
  requests.set(labels, (requests.get(labels) ?? 0) + 1)
  BUCKETS.forEach((limit, index) => (durations.buckets[index]! += seconds <= limit ? 1 : 0))
  durations.sum += seconds
  durations.count += 1
}

export function countOrder(): void {
  placed += 1
}

/** Serves the metrics on a port of their own, which is not public. */
export function serveMetrics(port: number): Server {
  return createServer((request, response) => {
    const isFound = request.url === config.metricsPath
    response.writeHead(isFound ? 200 : 404, { 'content-type': 'text/plain; version=0.0.4' })
    response.end(isFound ? render() : 'not found\n')
  }).listen(port)
}

function render(): string {
  return [
    '# TYPE http_requests_total counter',
    ...[...requests].map(([labels, value]) => `http_requests_total{${labels}} ${value}`),
    '# TYPE http_request_duration_seconds histogram',
    ...BUCKETS.map((limit, index) => `http_request_duration_seconds_bucket{le="${limit}"} ${durations.buckets[index]}`),
    `http_request_duration_seconds_bucket{le="+Inf"} ${durations.count}`,
    `http_request_duration_seconds_sum ${durations.sum}`,
    `http_request_duration_seconds_count ${durations.count}`,
    '# TYPE orders_placed_total counter',
    `orders_placed_total ${placed}`,
    '# TYPE process_resident_memory_bytes gauge',
    `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    '',
  ].join('\n')
}
