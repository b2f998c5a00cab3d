package api

import (
	"bytes"
	"net/http"

	"github.com/valyala/fasthttp"
)

const (
	objectsPrefix = "/v1/objects/"
	bucketsPrefix = "/v1/buckets/"
	documentPath  = "/v1/openapi.yaml"

	xactionsPrefix = "/v1/xactions/"
	eventsPattern  = "/v1/xactions/{id}/events"
)

// route is one row of the API: what openapi.yaml describes, no more and no less.
type route struct {
	method, pattern string
	// control answers small requests by small replies, through chi. nil: the request is answered on the
	// connection itself (object, list, sendDocument).
	control func(h *Handler, w http.ResponseWriter, r *http.Request) error
}

// routes is every route there is.
var routes = [...]route{
	{http.MethodGet, "/v1/buckets", (*Handler).listBuckets},
	{http.MethodPost, "/v1/buckets", (*Handler).createBucket},
	{http.MethodGet, "/v1/buckets/{bucket}", (*Handler).getBucket},
	{http.MethodPatch, "/v1/buckets/{bucket}", (*Handler).changeBucket},
	{http.MethodDelete, "/v1/buckets/{bucket}", (*Handler).deleteBucket},
	{http.MethodGet, "/v1/buckets/{bucket}/objects", nil},
	{http.MethodGet, "/v1/objects/{bucket}/{name}", nil},
	{http.MethodHead, "/v1/objects/{bucket}/{name}", nil},
	{http.MethodPut, "/v1/objects/{bucket}/{name}", nil},
	{http.MethodDelete, "/v1/objects/{bucket}/{name}", nil},
	{http.MethodGet, "/v1/cluster", (*Handler).getCluster},
	{http.MethodGet, "/v1/cluster/map", (*Handler).getMap},
	{http.MethodGet, "/v1/cluster/export", (*Handler).export},
	{http.MethodGet, "/v1/cluster/audit", (*Handler).audit},
	{http.MethodPost, "/v1/cluster/force-new", (*Handler).forceNew},
	{http.MethodPost, "/v1/cluster/nodes/{node}/maintenance", (*Handler).maintainNode},
	{http.MethodPost, "/v1/cluster/nodes/{node}/activate", (*Handler).activateNode},
	{http.MethodPost, "/v1/cluster/nodes/{node}/decommission", (*Handler).decommissionNode},
	{http.MethodPost, "/v1/cluster/nodes/{node}/primary", (*Handler).makePrimary},
	{http.MethodPost, "/v1/cluster/nodes/{node}/forget", (*Handler).forgetNode},
	{http.MethodGet, "/v1/cluster/nodes/{node}/moves", (*Handler).getMoves},
	{http.MethodGet, "/v1/cluster/nodes/{node}/losses", (*Handler).getLosses},
	{http.MethodGet, "/v1/config", (*Handler).getConfig},
	{http.MethodPatch, "/v1/config", (*Handler).changeConfig},
	{http.MethodGet, "/v1/nodes/{node}/mountpaths", (*Handler).getMountpaths},
	{http.MethodGet, "/v1/nodes/{node}/config", (*Handler).getNodeConfig},
	{http.MethodPatch, "/v1/nodes/{node}/config", (*Handler).changeNodeConfig},
	{http.MethodGet, "/v1/xactions", (*Handler).getXactions},
	{http.MethodPost, "/v1/xactions", (*Handler).startXaction},
	{http.MethodGet, "/v1/xactions/{id}", (*Handler).getXaction},
	{http.MethodPost, "/v1/xactions/{id}/stop", (*Handler).stopXaction},
	{http.MethodGet, eventsPattern, nil},
	{http.MethodPost, joinPath, nil},
	{http.MethodPost, "/v1/tokens", (*Handler).createToken},
	{http.MethodGet, documentPath, nil},
}

// listedBucket recognises GET /v1/buckets/{bucket}/objects.
func listedBucket(ctx *fasthttp.RequestCtx, path []byte) (bucket string, ok bool) {
	rest, ok := bytes.CutPrefix(path, []byte(bucketsPrefix))
	if !ok || !ctx.IsGet() {
		return "", false
	}
	name, ok := bytes.CutSuffix(rest, []byte("/objects"))
	return string(name), ok && len(name) > 0 && bytes.IndexByte(name, '/') < 0
}

// Routes is every route there is, as "GET /v1/buckets".
func Routes() []string {
	all := make([]string, len(routes))
	for i, r := range routes {
		all[i] = r.method + " " + r.pattern
	}
	return all
}
