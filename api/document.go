package api

import (
	_ "embed"

	"github.com/valyala/fasthttp"
)

//go:embed openapi.yaml
var document string

// Document is the OpenAPI document of the API.
func Document() string { return document }

func sendDocument(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentType("application/yaml")
	ctx.Response.SetBodyString(document)
}
