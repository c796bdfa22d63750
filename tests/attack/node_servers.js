// Servers of Node that report which handler a request reached: node node_servers.js KIND PORT
const http = require("node:http");
const path = require("node:path");

const [kind, port] = process.argv.slice(2);
const host = "127.0.0.1";
const byQuery = (value) => ([].concat(value ?? []).at(-1) === "1" ? "query" : "open");
const byMode = (value) => (String(value ?? "").split(",").map((mode) => mode.trim()).includes("admin") ? "mode" : "open");

function reached(pathname, query, headers) {
  if (pathname === "/secret") return "secret";
  if (pathname.startsWith("/admin/")) return "admin";
  if (pathname === "/q") return byQuery(query.getAll("admin"));
  if (pathname === "/m") return byMode(headers["x-mode"]);
  return "open";
}

function plain(read) {
  http
    .createServer((request, response) => {
      let name = "open";
      try {
        const [pathname, query] = read(request);
        name = reached(pathname, query, request.headers);
      } catch {
        response.statusCode = 400;
      }
      response.setHeader("X-Reached", name);
      response.end();
    })
    .listen(Number(port), host);
}

const kinds = {
  "new-url": () =>
    plain((request) => {
      const url = new URL(request.url, "http://localhost");
      return [url.pathname, url.searchParams];
    }),
  "new-url-decoded": () =>
    plain((request) => {
      const url = new URL(request.url, "http://localhost");
      return [decodeURIComponent(url.pathname), url.searchParams];
    }),
  normalize: () =>
    plain((request) => {
      const [pathname, query] = request.url.split("?");
      return [path.posix.normalize(decodeURIComponent(pathname)), new URLSearchParams(query)];
    }),
  express: () => {
    const app = require("express")();
    const reporting = (name) => (request, response) => response.set("X-Reached", name).end();
    app.all("/secret", reporting("secret"));
    app.use("/admin", reporting("admin"));
    app.all("/q", (request, response) => response.set("X-Reached", byQuery(request.query.admin)).end());
    app.all("/m", (request, response) => response.set("X-Reached", byMode(request.headers["x-mode"])).end());
    app.use(reporting("open"));
    app.listen(Number(port), host);
  },
  fastify: () => {
    const app = require("fastify")();
    const reporting = (name) => (request, reply) => reply.header("X-Reached", name).send("");
    app.all("/secret", reporting("secret"));
    app.all("/admin/*", reporting("admin"));
    app.all("/q", (request, reply) => reply.header("X-Reached", byQuery(request.query.admin)).send(""));
    app.all("/m", (request, reply) => reply.header("X-Reached", byMode(request.headers["x-mode"])).send(""));
    app.setNotFoundHandler(reporting("open"));
    app.listen({ port: Number(port), host });
  },
};
kinds[kind]();
