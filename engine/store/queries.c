/* queries.c - every read of a study, by name.  ?1 is the reader's tick where a
 * strategy asks; readers from outside (trials, report) pass the highest one. */

#include <stddef.h>

#include "store/schema.h"

#define TRIAL_COLUMNS \
  "t.id, t.epoch, i.text AS idea, i.prompt, i.model, t.parents, t.outcome, t.stage, t.reason," \
  " t.reward, t.metrics, t.patch, t.wall_s, t.host, t.trusted, t.review," \
  " (SELECT m.model FROM implementations m WHERE m.trial = t.id ORDER BY m.n DESC LIMIT 1) AS implementer"
#define KNOWN_COST "CASE WHEN count(cost) = count(*) THEN sum(cost) END"
#define TOKENS "sum(input + cache_read + cache_write + output)"
#define BAR(by_host, other) "coalesce((SELECT b.value FROM json_each(" by_host ") b WHERE b.key = t.host), " other ")"
#define FINISHED " WHERE t.done IS NOT NULL AND t.done < ?1"

const er_query er_queries[] = {
  {"study", "SELECT * FROM studies"},
  {"applied", "SELECT applied FROM progress"},
  {"snapshot_list", "SELECT kind, path, digest, size, source FROM snapshot ORDER BY kind, path"},
  {"snapshot_get", "SELECT bytes, digest, source FROM snapshot WHERE kind = ?1 AND path = ?2"},

  /* A strategy's reads. */
  {"finished_ids", "SELECT t.id, t.reward FROM trials t" FINISHED " ORDER BY t.id"},
  /* What a trial must be above depends on where it ran: ?2 is {host: reward}, ?3 for all others. */
  {"above_ids", "SELECT t.id, t.reward FROM trials t" FINISHED " AND t.outcome = 'ok' AND t.reward > " BAR("?2", "?3") " ORDER BY t.id"},
  /* The best trial of each patch that is above; ?4 of them. */
  {"candidates", "WITH ranked AS (SELECT t.id, t.reward, row_number() OVER (PARTITION BY t.patch ORDER BY t.reward DESC, t.id) AS k"
                 " FROM trials t JOIN ideas i ON i.id = t.idea" FINISHED " AND t.outcome = 'ok' AND i.prompt <> 'baseline'"
                 " AND t.reward > " BAR("?2", "?3") ") SELECT id, reward FROM ranked WHERE k = 1 ORDER BY reward DESC, id LIMIT ?4"},
  {"rounds", "SELECT * FROM rounds ORDER BY id"},
  {"trial", "SELECT " TRIAL_COLUMNS ", i.reply FROM trials t JOIN ideas i ON i.id = t.idea WHERE t.id = ?1"},
  {"trial_patch", "SELECT t.id, t.reward, t.outcome, p.diff, p.digest FROM trials t"
                  " LEFT JOIN patches p ON p.digest = t.patch WHERE t.id = ?1"},
  {"train_job", "SELECT id FROM jobs WHERE trial = ?1 AND stage = 'train' AND ended IS NOT NULL ORDER BY id DESC LIMIT 1"},
  {"curve_end", "SELECT max(n) AS n FROM metrics WHERE job = ?1"},
  {"curve_points", "SELECT n, name, value FROM metrics WHERE job = ?1 AND n IN (?2, ?3, ?4, ?5, ?6) ORDER BY n, name"},
  {"best_ids", "SELECT t.id, t.reward FROM trials t" FINISHED " AND t.outcome = 'ok' AND t.reward IS NOT NULL"
               " ORDER BY t.reward DESC, t.id LIMIT ?2"},

  /* Readers from outside. */
  {"trials", "SELECT " TRIAL_COLUMNS " FROM trials t JOIN ideas i ON i.id = t.idea ORDER BY t.id"},
  {"trial_calls", "SELECT trial, count(*) AS calls, " TOKENS " AS tokens, " KNOWN_COST " AS cost FROM calls"
                  " WHERE trial IS NOT NULL GROUP BY trial"},
  {"calls_of_trial", "SELECT count(*) AS calls, " TOKENS " AS tokens, " KNOWN_COST " AS cost FROM calls WHERE trial = ?1"},
  {"implementations_of_trial", "SELECT n, round, model, code, message FROM implementations WHERE trial = ?1 ORDER BY n"},
  {"totals", "SELECT count(*) AS n, sum(outcome IS NOT NULL) AS done, sum(outcome = 'ok') AS ok,"
             " max(reward) AS best, avg(reward) AS mean, sum(wall_s) AS wall_s,"
             " count(DISTINCT patch) AS patches FROM trials"},
  {"patch", "SELECT * FROM patches WHERE digest = ?1"},
  {"best_trials", "SELECT " TRIAL_COLUMNS " FROM trials t JOIN ideas i ON i.id = t.idea"
                  " WHERE t.outcome = 'ok' AND t.reward IS NOT NULL ORDER BY t.reward DESC, t.id LIMIT ?1"},
  {"jobs_of_trial", "SELECT * FROM jobs WHERE trial = ?1 ORDER BY id"},
  {"curve", "SELECT m.job, m.name, m.step, m.value FROM metrics m JOIN jobs j ON j.id = m.job"
            " WHERE j.trial = ?1 ORDER BY m.job, m.n, m.name"},

  /* The report: the baseline stands apart. */
  {"report_funnel", "SELECT coalesce(t.outcome, 'open') AS outcome, coalesce(t.stage, '') AS stage, count(*) AS n"
                    " FROM trials t JOIN ideas i ON i.id = t.idea WHERE i.prompt <> 'baseline' GROUP BY 1, 2 ORDER BY 1, 2"},
  {"report_epochs", "SELECT t.epoch, count(*) AS n, coalesce(sum(t.outcome = 'ok'), 0) AS ok, max(t.reward) AS best,"
                    " avg(t.reward) AS mean FROM trials t JOIN ideas i ON i.id = t.idea WHERE i.prompt <> 'baseline'"
                    " GROUP BY t.epoch ORDER BY t.epoch"},
  {"report_best", "SELECT " TRIAL_COLUMNS " FROM trials t JOIN ideas i ON i.id = t.idea WHERE t.outcome = 'ok'"
                  " AND t.reward IS NOT NULL AND i.prompt <> 'baseline' ORDER BY t.reward DESC, t.id LIMIT 1"},
  /* Who had the ideas, who made the changes, and how far they came. */
  {"report_models", "SELECT i.model, (SELECT m.model FROM implementations m WHERE m.trial = t.id ORDER BY m.n DESC LIMIT 1) AS implementer,"
                    " count(*) AS n, sum(coalesce(t.outcome, 'no_idea') <> 'no_idea') AS submitted,"
                    " sum(t.patch IS NOT NULL AND coalesce(t.outcome, 'open') NOT IN ('check_failed', 'open')) AS applied,"
                    " sum(t.outcome IS NOT NULL AND t.stage = 'evaluate') AS completed, coalesce(sum(t.outcome = 'ok'), 0) AS scored,"
                    " avg(t.reward) AS mean, max(t.reward) AS best FROM trials t JOIN ideas i ON i.id = t.idea"
                    " WHERE i.prompt <> 'baseline' GROUP BY 1, 2 ORDER BY 1, 2"},
  {"report_calls", "SELECT model, purpose, count(*) AS calls, sum(requests) AS requests, sum(input) AS input, sum(cache_read) AS cache_read,"
                   " sum(cache_write) AS cache_write, sum(output) AS output, sum(thinking) AS thinking, max(estimated) AS estimated,"
                   " " KNOWN_COST " AS cost, sum(state = 'refused') AS refused, sum(state = 'truncated') AS truncated,"
                   " sum(state = 'cancelled') AS cancelled, sum(state IN ('error', 'lost')) AS failed FROM calls GROUP BY 1, 2 ORDER BY 1, 2"},
  {"report_questions", "SELECT count(*) AS n, coalesce(sum(wanted), 0) AS wanted, coalesce(sum(got), 0) AS got,"
                       " coalesce(sum(duplicates), 0) AS duplicates, coalesce(sum(code = 'refusal'), 0) AS refused FROM questions"},
  {"report_work", "SELECT (SELECT coalesce(sum(wall_s), 0.0) FROM trials) + (SELECT coalesce(sum(wall_s), 0.0) FROM reruns) AS wall_s"},
  {"report_untrusted", "SELECT count(*) AS n FROM trials WHERE trusted = 0"},
  {"report_review", "SELECT id, review FROM trials WHERE review IS NOT NULL ORDER BY id"},
  {"report_above", "SELECT count(*) AS n FROM trials t JOIN ideas i ON i.id = t.idea WHERE t.outcome = 'ok'"
                   " AND i.prompt <> 'baseline' AND t.reward > " BAR("?1", "?2")},
  {"baseline_trial", "SELECT t.id, t.outcome, t.reason, t.reward, t.host FROM trials t JOIN ideas i ON i.id = t.idea"
                     " WHERE i.prompt = 'baseline' ORDER BY t.id LIMIT 1"},
  {"reruns", "SELECT * FROM reruns ORDER BY id"},
  {"reruns_of_trial", "SELECT * FROM reruns WHERE trial = ?1 ORDER BY id"},
  {"stages_run", "SELECT stage, count(DISTINCT trial) AS n FROM jobs GROUP BY stage ORDER BY stage"},
  {"patch_count", "SELECT count(DISTINCT t.patch) AS n FROM trials t JOIN patches p ON p.digest = t.patch WHERE p.diff <> ''"},
  /* At most ?1 of the patches, in the order of their first trials, at even distances. */
  {"patch_sample", "WITH first AS (SELECT t.patch, min(t.id) AS id FROM trials t WHERE t.patch IS NOT NULL GROUP BY t.patch),"
                   " ranked AS (SELECT p.digest, row_number() OVER (ORDER BY f.id) - 1 AS k, count(*) OVER () AS n"
                   " FROM first f JOIN patches p ON p.digest = f.patch WHERE p.diff <> '')"
                   " SELECT p.diff FROM ranked r JOIN patches p ON p.digest = r.digest"
                   " WHERE r.k = 0 OR r.k * ?1 / r.n <> (r.k - 1) * ?1 / r.n ORDER BY r.k"},
  {"events", "SELECT * FROM events ORDER BY id"},
  {"job_curve", "SELECT n, name, step, value FROM metrics WHERE job = ?1 ORDER BY n, name"},
  {"folder_done", "SELECT j.id FROM jobs j LEFT JOIN trials t ON t.id = j.trial LEFT JOIN reruns r ON r.id = j.rerun"
                  " WHERE j.id = ?1 AND (t.outcome IS NOT NULL OR r.outcome IS NOT NULL)"},
  {"open_jobs", "SELECT * FROM jobs WHERE ended IS NULL ORDER BY id"},
  /* Ranks are by reward, then by number, so that equal rewards have an order too. */
  {"ranked_before", "SELECT count(*) AS n FROM (SELECT 1 FROM trials WHERE reward >= ?1 AND (reward > ?1 OR id < ?2) LIMIT ?3)"},
  {"rank", "SELECT id FROM trials WHERE reward IS NOT NULL ORDER BY reward DESC, id LIMIT 1 OFFSET ?1"},
  {"max_ids", "SELECT (SELECT coalesce(max(id), 0) FROM trials) AS trial, (SELECT coalesce(max(id), 0) FROM jobs) AS job,"
              " (SELECT coalesce(max(id), 0) FROM reruns) AS rerun, (SELECT coalesce(max(id), 0) FROM rounds) AS round,"
              " (SELECT coalesce(max(id), 0) FROM questions) AS question"},
  {"idea_texts", "SELECT text FROM ideas ORDER BY id"},
  /* What was spent: calls to models (an open one was lost with its engine), jobs, time. */
  {"calls_open", "SELECT id FROM calls WHERE state = 'open'"},
  {"calls_total", "SELECT coalesce(sum(cost), 0.0) AS cost, coalesce(sum(input + cache_read + cache_write + output), 0) AS tokens,"
                  " count(*) AS calls, coalesce(max(id), 0) AS last FROM calls"},
  {"calls_answered", "SELECT model, purpose, count(*) AS n, sum(output) AS output FROM calls"
                     " WHERE state IN ('ok', 'refused', 'truncated') GROUP BY model, purpose"},
  {"jobs_spent", "SELECT r.preset, count(j.ended) AS n, coalesce(sum(j.ended IS NOT NULL AND j.stage IN ('train', 'evaluate')), 0) AS on_gpus,"
                 " coalesce(sum(j.wall_s) FILTER (WHERE j.stage IN ('train', 'evaluate')), 0.0) AS wall_s,"
                 " coalesce(max(j.id), 0) AS last FROM jobs j LEFT JOIN reruns r ON r.id = j.rerun GROUP BY r.preset ORDER BY r.preset"},
  {"ran", "SELECT coalesce(sum(CAST(text AS REAL)) FILTER (WHERE kind = 'ran'), 0.0) AS seconds, coalesce(max(id), 0) AS last"
          " FROM events"},
  {"effect_count", "SELECT count(*) AS n FROM effects"},
  {NULL, NULL},
};
