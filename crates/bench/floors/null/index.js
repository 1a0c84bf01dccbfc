// The platform's floor: a Worker that hands the body to a Durable Object, which reads it and does nothing.
// What any service of this shape costs before it has done anything.

export class Floor {
  async fetch(request) {
    await request.arrayBuffer();
    return new Response('{"accepted":0}', { status: 202 });
  }
}

export default {
  fetch(request, env) {
    return env.FLOOR.get(env.FLOOR.idFromName("floor")).fetch(request);
  },
};
