package api

import (
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/control"
)

func (h *Handler) getConfig(w http.ResponseWriter, r *http.Request) error {
	return h.answerConfig(w, r, "")
}

func (h *Handler) getNodeConfig(w http.ResponseWriter, r *http.Request) error {
	id, err := h.nodeNamed(chi.URLParam(r, "node"))
	if err != nil {
		return err
	}
	return h.answerConfig(w, r, id.String())
}

func (h *Handler) changeConfig(w http.ResponseWriter, r *http.Request) error {
	return h.setConfig(w, r, "")
}

func (h *Handler) changeNodeConfig(w http.ResponseWriter, r *http.Request) error {
	id, err := h.nodeNamed(chi.URLParam(r, "node"))
	if err != nil {
		return err
	}
	return h.setConfig(w, r, id.String())
}

// answerConfig shows the configuration that holds on a node, or for the cluster if node is "".
func (h *Handler) answerConfig(w http.ResponseWriter, r *http.Request, node string) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	c, out := h.config.State.View().ConfigOf(node), Settings{Settings: []Setting{}}
	for _, s := range control.Settings() {
		out.Settings = append(out.Settings, Setting{Name: string(s.Name), Value: c.Get(s.Name).String(), Default: s.Default,
			Set: c.IsSet(s.Name), AtStart: s.Restart, Type: s.Type.String(), Scope: s.Scope.String(), Description: s.Help})
	}
	return answer(w, http.StatusOK, out)
}

// setConfig sets keys first and unsets others after; each of the two is all or none, and a bad name
// or value in either is found before anything is done.
func (h *Handler) setConfig(w http.ResponseWriter, r *http.Request, node string) error {
	if !askedOf(r).identity.Root {
		return ais.Errorf(ais.Denied, "the configuration is changed with a root key")
	}
	var in SettingsChange
	if err := readInto(r, &in); err != nil {
		return err
	}
	set := map[string]string{}
	var unset []string
	known := map[string]bool{}
	for _, s := range control.Settings() {
		known[string(s.Name)] = true
	}
	for name, value := range in {
		switch {
		case value != nil:
			set[name] = *value
		case !known[name]:
			return ais.NounErrorf(ais.Invalid, ais.NounConfig, "unknown configuration key %q", name)
		default:
			unset = append(unset, name)
		}
	}
	var commands []control.Command
	if len(set) > 0 {
		commands = append(commands, control.ConfigSet{Node: node, Values: set})
	}
	if len(unset) > 0 {
		slices.Sort(unset)
		commands = append(commands, control.ConfigUnset{Node: node, Names: unset})
	}
	for _, c := range commands {
		if err := h.propose(r, c); err != nil {
			return err
		}
	}
	return h.answerConfig(w, r, node)
}

// createToken makes a bearer token for whoever signed the request with the key itself: a token begets
// no token, so that it cannot be prolonged.
func (h *Handler) createToken(w http.ResponseWriter, r *http.Request) error {
	var in TokenRequest
	if r.ContentLength > 0 {
		if err := readInto(r, &in); err != nil {
			return err
		}
	}
	who := askedOf(r).identity
	if who.Kind != auth.Header {
		return ais.Errorf(ais.Denied, "a token is made by a request that is signed by SigV4 in its header")
	}
	life := tokenLife
	if in.Life != "" {
		var err error
		if life, err = control.ParseDuration(in.Life); err != nil {
			return ais.Errorf(ais.Invalid, "life: %w", err)
		}
	}
	if life <= 0 || life > tokenLifeMax {
		return ais.Errorf(ais.Invalid, "life %s: want more than 0, at most %s", control.FormatDuration(life), control.FormatDuration(tokenLifeMax))
	}
	cred, ok := h.config.Credentials.Secret(who.AccessKey)
	if !ok {
		return ais.NounErrorf(ais.Denied, ais.NounKey, "the access key is gone")
	}
	expires := askedOf(r).at.Add(life)
	return answer(w, http.StatusCreated, Token{Token: auth.NewToken(cred, expires), Expires: expires.UTC()})
}
