// The bench's job on BullMQ: GET a URL, keep the answer as the job's return value in Redis.
//
//   node worker.mjs preload URL COUNT     queue COUNT jobs; "{n}" in URL becomes the job's number; the URL "noop" is a
//                                       job that does nothing
//   node worker.mjs work SLOTS            run them, SLOTS at a time, until SIGTERM
//
// Redis is the one of $TASKRUNNER_TEST_REDIS_URL.
import { Queue, Worker } from "bullmq";
import { Agent, request } from "undici";

const QUEUE = "bench";
const CHUNK = 1000;

const redis = new URL(process.env.TASKRUNNER_TEST_REDIS_URL);
const connection = {
  host: redis.hostname,
  port: Number(redis.port || 6379),
  db: Number(redis.pathname.slice(1) || 0),
  maxRetriesPerRequest: null,
};

async function preload(pattern, count) {
  const queue = new Queue(QUEUE, { connection });
  for (let first = 0; first < count; first += CHUNK) {
    const length = Math.min(CHUNK, count - first);
    await queue.addBulk(
      Array.from({ length }, (_, i) => ({
        name: "fetch",
        data: { url: pattern.replace("{n}", String(first + i)) },
      })),
    );
  }
  await queue.close();
}

async function work(slots) {
  const dispatcher = new Agent({ connections: slots });
  const worker = new Worker(
    QUEUE,
    async (job) => {
      if (job.data.url === "noop") return null;
      const { statusCode, body } = await request(job.data.url, { dispatcher });
      return { status: statusCode, body: await body.text() };
    },
    { connection, concurrency: slots },
  );
  worker.on("error", (error) => console.error(error));
  worker.on("failed", (_, error) => console.error(error));
  process.once("SIGTERM", async () => {
    await worker.close();
    await dispatcher.close();
  });
}

const [verb, first, second] = process.argv.slice(2);
if (verb === "preload") await preload(first, Number(second));
else await work(Number(first));
